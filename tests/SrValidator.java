import com.pixelmed.validate.DicomSRValidator;
import java.lang.reflect.Field;
import javax.xml.transform.Source;
import javax.xml.transform.Transformer;
import javax.xml.transform.URIResolver;

/** PixelMed's DicomSRValidator over many files; its own program starts anew for each. */
class SrValidator {
    public static void main(String[] files) throws Exception {
        DicomSRValidator validator = new DicomSRValidator();
        for (String pass : new String[] {"transformerPass1", "transformerPass2"}) {
            readOnce(validator, pass);
        }
        for (String file : files) {
            System.out.println("== " + file);
            System.out.println(validator.validate(file));
        }
    }

    /**
     * Its table of context groups has no name, so Java reads it again for each code of a file, which
     * is nine tenths of the time. With a name it is read once a file.
     */
    private static void readOnce(DicomSRValidator validator, String pass) throws Exception {
        Field field = DicomSRValidator.class.getDeclaredField(pass);
        field.setAccessible(true);
        Transformer transformer = (Transformer) field.get(validator);
        URIResolver plain = transformer.getURIResolver();
        transformer.setURIResolver((href, base) -> {
            Source source = plain.resolve(href, base);
            if (source != null) {
                source.setSystemId(href);
            }
            return source;
        });
    }
}
